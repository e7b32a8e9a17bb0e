-- People of the marketing team on the window's last day, and those with a certificate that holds then.
SELECT
    count(CASE WHEN EXISTS (
        SELECT 1
        FROM certificates
        WHERE certificates.employee_id = employees.employee_id
          AND earned_on < :window_end
          AND expires_on >= :window_end
    ) THEN 1 END) AS numerator,
    count(*) AS denominator
FROM employees
WHERE team = 'marketing'
  AND started_on < :window_end
  AND (left_on IS NULL OR left_on >= :window_end)
