"""The GA4 sandbox over gRPC: plain text, on loopback only.

Belongs here: the gRPC server and how errors travel over it. Does not belong here: answers
(ga4_service). Without TLS a client sends no credentials (API facts A1), so none are checked here.
"""

from concurrent import futures
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from connectors.sandbox.faults import Switch
from connectors.sandbox.ga4_errors import Ga4ApiError
from connectors.sandbox.ga4_service import Ga4Service
from connectors.sandbox.ga4_wire import METHODS, Method
from okr_sync.errors import OkrSyncError

_SERVICE = "/google.analytics.data.v1beta.BetaAnalyticsData/"
_MORE_THREADS = 6
_STOP_SECONDS = 2.0
_STEP_SECONDS = 0.05
# Parsing an error's details needs their types in the descriptor pool, where the import puts them.
_DETAIL_TYPES = error_details_pb2.DESCRIPTOR


class GrpcFront:
    """A gRPC server for one service; `port=0` takes a free port. Raises OkrSyncError if it is taken."""

    def __init__(self, service: Ga4Service, port: int = 0) -> None:
        # More threads than concurrent requests, so that the one too many is refused, not queued.
        threads = service.quotas.sizes.concurrent_requests + _MORE_THREADS
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads, thread_name_prefix="ga4-sandbox"),
            handlers=[_Handler(service)],
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
        )
        try:
            self._port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise OkrSyncError(
                f"Port {port} of 127.0.0.1 can't be used. Name another port, or none to take a "
                "free one.",
                str(error),
            ) from error
        self._server.start()

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._port}"

    def stop(self) -> None:
        """End open calls and give the port back."""
        self._server.stop(_STOP_SECONDS).wait()


class _Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, service: Ga4Service) -> None:
        self._service = service

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        path = handler_call_details.method
        method = METHODS.get(path.removeprefix(_SERVICE)) if path.startswith(_SERVICE) else None
        if method is None:
            return None  # gRPC answers UNIMPLEMENTED

        def answer(request: Any, context: grpc.ServicerContext) -> Message:
            return self._answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=method.request.deserialize,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _answer(self, method: Method, request: Any, context: grpc.ServicerContext) -> Message:
        try:
            with self._service.call(method.name, "gRPC") as switch:
                if switch is not None:
                    self._withhold(switch, context)
                return method.as_message(method.answer(self._service, request))
        except Ga4ApiError as error:
            _abort(error, context)

    def _withhold(self, switch: Switch, context: grpc.ServicerContext) -> NoReturn:
        """Give no answer: the call ends as it does when its connection is lost."""
        if switch.fault.name == "ga4.hang":
            waited = 0.0
            while context.is_active() and waited < switch.seconds():
                if self._service.stopping.wait(_STEP_SECONDS):
                    break
                waited += _STEP_SECONDS
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def _abort(error: Ga4ApiError, context: grpc.ServicerContext) -> NoReturn:
    code = grpc.StatusCode[error.status]
    if error.details:
        status = json_format.ParseDict(
            {
                "code": code.value[0],
                "message": error.message,
                "details": [dict(detail) for detail in error.details],
            },
            status_pb2.Status(),
        )
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, error.message)
