-- One row per supplier and month of shipment, with the revenue of its lines.
SELECT
    s.s_suppkey,
    s.s_name,
    s.s_address,
    s.s_phone,
    CAST(date_trunc('MONTH', l.l_shipdate) AS date) AS ship_month,
    count(*) AS lines,
    CAST(sum(l.revenue) AS decimal(28, 4)) AS revenue
FROM {{ ref("sales.order_lines") }} AS l
INNER JOIN {{ ref("supply.supplier") }} AS s ON l.l_suppkey = s.s_suppkey
GROUP BY s.s_suppkey, s.s_name, s.s_address, s.s_phone, CAST(date_trunc('MONTH', l.l_shipdate) AS date)
