-- One row per order line, with its order, its customer and where the customer lives.
SELECT
    l.l_orderkey,
    l.l_linenumber,
    l.l_partkey,
    l.l_suppkey,
    l.l_quantity,
    l.l_extendedprice,
    l.l_discount,
    l.l_tax,
    CAST(l.l_extendedprice * (1 - l.l_discount) AS decimal(18, 4)) AS revenue,
    CAST(l.l_extendedprice * (1 - l.l_discount) * (1 + l.l_tax) AS decimal(20, 6)) AS charge,
    l.l_returnflag,
    l.l_linestatus,
    l.l_shipdate,
    l.l_commitdate,
    l.l_receiptdate,
    l.l_shipinstruct,
    l.l_shipmode,
    o.o_orderstatus,
    o.o_orderdate,
    o.o_orderpriority,
    o.o_shippriority,
    o.o_totalprice,
    c.c_custkey,
    c.c_name,
    c.c_acctbal,
    c.c_mktsegment,
    n.n_name AS customer_nation,
    r.r_name AS customer_region
FROM {{ ref("sales.lineitem") }} AS l
INNER JOIN {{ ref("sales.orders") }} AS o ON l.l_orderkey = o.o_orderkey
INNER JOIN {{ ref("sales.customer") }} AS c ON o.o_custkey = c.c_custkey
INNER JOIN {{ ref("geo.nation") }} AS n ON c.c_nationkey = n.n_nationkey
INNER JOIN {{ ref("geo.region") }} AS r ON n.n_regionkey = r.r_regionkey
