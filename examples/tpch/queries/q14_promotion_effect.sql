-- Share of promoted parts in a month's revenue, in percent. (TPC-H Q14)
SELECT
    100.0 * sum(CASE WHEN p_type LIKE 'PROMO%' THEN CAST(revenue AS double) ELSE 0.0 END)
    / sum(CAST(revenue AS double)) AS promo_revenue
FROM {{ ref("supply.sourced_lines") }}
WHERE l_shipdate >= DATE '1995-09-01' AND l_shipdate < DATE '1995-09-01' + INTERVAL '1' MONTH
