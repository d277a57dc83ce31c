-- One row per day with events,
-- "quoted" & tagged <b>.
SELECT k.day, count(*) AS kinds
FROM {{ ref("lab.kinds") }} AS k
WHERE k.small < 7 AND k.text <> 'ä' -- the small ones
GROUP BY k.day
