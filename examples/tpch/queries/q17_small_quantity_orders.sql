-- Yearly revenue lost were small orders of a brand not taken. (TPC-H Q17)
WITH averages AS (
    SELECT l_partkey AS partkey, 0.2 * avg(CAST(l_quantity AS double)) AS small
    FROM {{ ref("supply.sourced_lines") }}
    GROUP BY l_partkey
)
SELECT CAST(sum(l.l_extendedprice) AS double) / 7.0 AS avg_yearly
FROM {{ ref("supply.sourced_lines") }} AS l
INNER JOIN averages AS a ON l.l_partkey = a.partkey
WHERE l.p_brand = 'Brand#23' AND CAST(l.l_quantity AS double) < a.small
