-- Customers with very large orders. (TPC-H Q18)
SELECT c_name, c_custkey, l_orderkey AS o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) AS quantity
FROM {{ ref("sales.order_lines") }}
GROUP BY c_name, c_custkey, l_orderkey, o_orderdate, o_totalprice
HAVING sum(l_quantity) > 250
ORDER BY o_totalprice DESC, o_orderdate, o_orderkey
LIMIT 100
