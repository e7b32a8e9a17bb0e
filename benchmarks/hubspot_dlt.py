"""dlt's rest_api source on the same pages: run as a script by the Python of dlt's own environment.

Belongs here: the pipeline as dlt's documentation writes one. Does not belong here: the rows
(hubspot).
"""

import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit


def main() -> None:
    """Arguments: the server's port and its number of contacts, the pipeline's folder, `duckdb` or
    PostgreSQL's URL, the fields. Exit status 1 unless all contacts have been read."""
    # Imported here: every module in this folder is imported where dlt is not.
    import dlt  # type: ignore[import-not-found] # only in an environment of its own
    from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found] # likewise

    port, contacts, folder, where, *fields = sys.argv[1:]
    if where == "duckdb":
        destination = dlt.destinations.duckdb(str(Path(folder) / "contacts.duckdb"))
    else:
        address = urlsplit(where)
        # The server is on a Unix socket: its folder stands as the host, with a password for form's sake.
        host = quote(unquote(address.query.removeprefix("host=")), safe="")
        destination = dlt.destinations.postgres(f"postgresql://postgres:none@{host}{address.path}")
    pipeline = dlt.pipeline(
        "contacts", pipelines_dir=folder, destination=destination, dataset_name="hubspot"
    )
    source = rest_api_source(
        {
            "client": {"base_url": f"http://127.0.0.1:{port}/crm/v3/"},
            "resources": [
                {
                    "name": "contacts",
                    "primary_key": "id",
                    "write_disposition": "replace",
                    "endpoint": {
                        "path": "objects/contacts",
                        "params": {"limit": 100, "properties": ",".join(fields)},
                        "data_selector": "results",
                        "paginator": {
                            "type": "cursor",
                            "cursor_path": "paging.next.after",
                            "cursor_param": "after",
                        },
                    },
                }
            ],
        }
    )
    pipeline.run(source)
    rows = pipeline.last_trace.last_normalize_info.row_counts["contacts"]
    if rows != int(contacts):
        sys.exit(f"{rows} of {contacts} contacts were read")


if __name__ == "__main__":
    main()
