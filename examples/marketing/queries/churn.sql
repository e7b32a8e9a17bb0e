-- Of the accounts that paid on the day before the window, those that ended within it.
SELECT
    count(CASE WHEN ended_on < :window_end THEN 1 END) AS numerator,
    count(*) AS denominator
FROM subscriptions
WHERE started_on < :window_start
  AND (ended_on IS NULL OR ended_on >= :window_start)
