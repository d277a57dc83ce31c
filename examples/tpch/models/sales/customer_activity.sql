-- One row per customer, with the number of orders that carry no special request.
SELECT
    c.c_custkey,
    c.c_mktsegment,
    count(o.o_orderkey) AS orders_placed,
    count(CASE WHEN o.o_comment NOT LIKE '%special%requests%' THEN o.o_orderkey END) AS plain_orders,
    max(o.o_orderdate) AS last_order
FROM {{ ref("sales.customer") }} AS c
LEFT JOIN {{ ref("sales.orders") }} AS o ON c.c_custkey = o.o_custkey
GROUP BY c.c_custkey, c.c_mktsegment
