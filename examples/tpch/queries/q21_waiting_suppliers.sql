-- Suppliers that alone kept an order of several suppliers waiting. (TPC-H Q21)
WITH judged AS (
    SELECT
        l_orderkey,
        l_suppkey,
        s_name,
        supplier_nation,
        o_orderstatus,
        max(CASE WHEN l_receiptdate > l_commitdate THEN 1 ELSE 0 END) AS late,
        sum(CASE WHEN l_receiptdate > l_commitdate THEN 1 ELSE 0 END) AS late_lines
    FROM {{ ref("supply.sourced_lines") }}
    GROUP BY l_orderkey, l_suppkey, s_name, supplier_nation, o_orderstatus
),

counted AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY l_orderkey) AS suppliers,
        sum(late) OVER (PARTITION BY l_orderkey) AS late_suppliers
    FROM judged
)

SELECT s_name, sum(late_lines) AS numwait
FROM counted
WHERE
    o_orderstatus = 'F'
    AND supplier_nation IN ('CHINA', 'FRANCE')
    AND late = 1
    AND suppliers > 1
    AND late_suppliers = 1
GROUP BY s_name
ORDER BY numwait DESC, s_name
LIMIT 100
