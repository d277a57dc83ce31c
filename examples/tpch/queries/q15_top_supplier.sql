-- The supplier with the highest revenue in a quarter. (TPC-H Q15)
WITH revenue AS (
    SELECT s_suppkey, s_name, s_address, s_phone, sum(revenue) AS total_revenue
    FROM {{ ref("supply.supplier_months") }}
    WHERE ship_month >= DATE '1996-01-01' AND ship_month < DATE '1996-01-01' + INTERVAL '3' MONTH
    GROUP BY s_suppkey, s_name, s_address, s_phone
)
SELECT s_suppkey, s_name, s_address, s_phone, total_revenue
FROM revenue
WHERE total_revenue = (SELECT max(total_revenue) FROM revenue)
ORDER BY s_suppkey
