SELECT d.day, o.o_orderkey
FROM {{ ref('lab.days') }} AS d
JOIN {{ ref("sales.orders") }} AS o ON o.o_orderdate = d.day;
