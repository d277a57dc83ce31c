-- Revenue shipped between France and Germany by year. (TPC-H Q7)
SELECT
    supplier_nation AS supp_nation,
    customer_nation AS cust_nation,
    year(l_shipdate) AS l_year,
    sum(revenue) AS revenue
FROM {{ ref("supply.sourced_lines") }}
WHERE
    (
        (supplier_nation = 'FRANCE' AND customer_nation = 'GERMANY')
        OR (supplier_nation = 'GERMANY' AND customer_nation = 'FRANCE')
    )
    AND l_shipdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
GROUP BY supplier_nation, customer_nation, year(l_shipdate)
ORDER BY supp_nation, cust_nation, l_year
