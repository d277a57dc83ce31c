-- One row per part and supplier: what the part is, what it costs there, and where the supplier sits.
SELECT
    ps.ps_partkey,
    ps.ps_suppkey,
    ps.ps_availqty,
    ps.ps_supplycost,
    CAST(ps.ps_supplycost * ps.ps_availqty AS decimal(20, 2)) AS stock_value,
    p.p_name,
    p.p_mfgr,
    p.p_brand,
    p.p_type,
    p.p_size,
    p.p_container,
    s.s_name,
    s.s_address,
    s.s_phone,
    s.s_acctbal,
    s.s_comment,
    n.n_name AS supplier_nation,
    r.r_name AS supplier_region
FROM {{ ref("supply.partsupp") }} AS ps
INNER JOIN {{ ref("supply.part") }} AS p ON ps.ps_partkey = p.p_partkey
INNER JOIN {{ ref("supply.supplier") }} AS s ON ps.ps_suppkey = s.s_suppkey
INNER JOIN {{ ref("geo.nation") }} AS n ON s.s_nationkey = n.n_nationkey
INNER JOIN {{ ref("geo.region") }} AS r ON n.n_regionkey = r.r_regionkey
