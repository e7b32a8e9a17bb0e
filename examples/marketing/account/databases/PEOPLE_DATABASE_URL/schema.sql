-- The database of the people team, as the sandbox makes it of the files beside this one.
CREATE TABLE employees (employee_id INTEGER PRIMARY KEY, team TEXT, started_on DATE, left_on DATE);
CREATE TABLE certificates (employee_id INTEGER, course TEXT, earned_on DATE, expires_on DATE);
CREATE TABLE processes (process_id INTEGER PRIMARY KEY, name TEXT, automated_on DATE);
CREATE TABLE subscriptions (
    account_id INTEGER PRIMARY KEY, started_on DATE, ended_on DATE, monthly_usd INTEGER
);
