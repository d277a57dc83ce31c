-- Share of one nation in the sales of a kind of part within a region, by year. (TPC-H Q8)
SELECT
    year(o_orderdate) AS o_year,
    sum(CASE WHEN supplier_nation = 'CHINA' THEN CAST(revenue AS double) ELSE 0.0 END)
    / sum(CAST(revenue AS double)) AS mkt_share
FROM {{ ref("supply.sourced_lines") }}
WHERE
    customer_region = 'ASIA'
    AND o_orderdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
    AND p_type LIKE 'ECONOMY ANODIZED%'
GROUP BY year(o_orderdate)
ORDER BY o_year
