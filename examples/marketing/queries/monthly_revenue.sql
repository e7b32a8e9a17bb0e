-- What the accounts that pay on the window's last day pay in a month, and how many they are.
SELECT sum(monthly_usd) AS numerator, count(*) AS denominator
FROM subscriptions
WHERE started_on < :window_end
  AND (ended_on IS NULL OR ended_on >= :window_end)
