-- Customers that returned the most, without the columns the lake hashes or drops. (TPC-H Q10)
SELECT c_custkey, c_name, sum(revenue) AS revenue, c_acctbal, customer_nation AS n_name
FROM {{ ref("sales.order_lines") }}
WHERE
    o_orderdate >= DATE '1993-10-01'
    AND o_orderdate < DATE '1993-10-01' + INTERVAL '3' MONTH
    AND l_returnflag = 'R'
GROUP BY c_custkey, c_name, c_acctbal, customer_nation
ORDER BY revenue DESC, c_custkey
LIMIT 20
