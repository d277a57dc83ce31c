-- Orders of a quarter with at least one late line, by priority. (TPC-H Q4)
SELECT o_orderpriority, count(DISTINCT l_orderkey) AS order_count
FROM {{ ref("sales.order_lines") }}
WHERE
    o_orderdate >= DATE '1993-07-01'
    AND o_orderdate < DATE '1993-07-01' + INTERVAL '3' MONTH
    AND l_commitdate < l_receiptdate
GROUP BY o_orderpriority
ORDER BY o_orderpriority
