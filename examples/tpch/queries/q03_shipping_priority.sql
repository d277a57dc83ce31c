-- The unshipped orders of a market segment with the highest revenue. (TPC-H Q3)
SELECT l_orderkey, sum(revenue) AS revenue, o_orderdate, o_shippriority
FROM {{ ref("sales.order_lines") }}
WHERE c_mktsegment = 'BUILDING' AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
GROUP BY l_orderkey, o_orderdate, o_shippriority
ORDER BY revenue DESC, o_orderdate, l_orderkey
LIMIT 10
