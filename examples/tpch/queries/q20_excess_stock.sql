-- Suppliers that hold more of some parts than half of what they shipped of them in a year. (TPC-H Q20)
WITH shipped AS (
    SELECT l_partkey, l_suppkey, sum(l_quantity) AS quantity
    FROM {{ ref("supply.sourced_lines") }}
    WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1994-01-01' + INTERVAL '1' YEAR
    GROUP BY l_partkey, l_suppkey
)
SELECT DISTINCT o.s_name, o.s_address
FROM {{ ref("supply.part_offers") }} AS o
INNER JOIN shipped AS s ON o.ps_partkey = s.l_partkey AND o.ps_suppkey = s.l_suppkey
WHERE
    o.p_name LIKE 'f%'
    AND o.supplier_nation IN ('CANADA', 'CHINA')
    AND o.ps_availqty > DECIMAL '0.5' * s.quantity
ORDER BY o.s_name
