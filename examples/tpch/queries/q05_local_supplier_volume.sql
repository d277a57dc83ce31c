-- Revenue of lines bought and supplied within one nation of Asia. (TPC-H Q5)
SELECT supplier_nation AS n_name, sum(revenue) AS revenue
FROM {{ ref("supply.sourced_lines") }}
WHERE
    customer_region = 'ASIA'
    AND customer_nation = supplier_nation
    AND o_orderdate >= DATE '1994-01-01'
    AND o_orderdate < DATE '1994-01-01' + INTERVAL '1' YEAR
GROUP BY supplier_nation
ORDER BY revenue DESC
