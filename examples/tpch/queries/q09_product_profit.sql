-- Profit on green parts by nation of the supplier and year. (TPC-H Q9)
SELECT supplier_nation AS nation, year(o_orderdate) AS o_year, sum(profit) AS sum_profit
FROM {{ ref("supply.sourced_lines") }}
WHERE p_name LIKE '%green%'
GROUP BY supplier_nation, year(o_orderdate)
ORDER BY nation, o_year DESC
