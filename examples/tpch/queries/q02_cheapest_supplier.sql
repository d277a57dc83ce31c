-- Suppliers in Europe that offer a brass part of a size at the lowest cost there. (TPC-H Q2)
WITH offers AS (
    SELECT *, min(ps_supplycost) OVER (PARTITION BY ps_partkey) AS lowest
    FROM {{ ref("supply.part_offers") }}
    WHERE supplier_region = 'EUROPE'
)
SELECT s_acctbal, s_name, supplier_nation AS n_name, ps_partkey AS p_partkey, p_mfgr, s_address, s_phone, s_comment
FROM offers
WHERE p_size IN (15, 25, 35) AND p_type LIKE '%BRASS' AND ps_supplycost = lowest
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
LIMIT 100
