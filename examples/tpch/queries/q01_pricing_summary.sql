-- Prices, discounts and quantities of shipped lines by return flag and status. (TPC-H Q1)
SELECT
    l_returnflag,
    l_linestatus,
    sum(l_quantity) AS sum_qty,
    sum(l_extendedprice) AS sum_base_price,
    sum(revenue) AS sum_disc_price,
    sum(charge) AS sum_charge,
    avg(CAST(l_quantity AS double)) AS avg_qty,
    avg(CAST(l_extendedprice AS double)) AS avg_price,
    avg(CAST(l_discount AS double)) AS avg_disc,
    count(*) AS count_order
FROM {{ ref("sales.order_lines") }}
WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY
GROUP BY l_returnflag, l_linestatus
ORDER BY l_returnflag, l_linestatus
