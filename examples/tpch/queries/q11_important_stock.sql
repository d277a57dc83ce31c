-- Parts that hold a large share of the stock value of one nation. (TPC-H Q11)
WITH stock AS (
    SELECT ps_partkey, sum(stock_value) AS value
    FROM {{ ref("supply.part_offers") }}
    WHERE supplier_nation = 'CHINA'
    GROUP BY ps_partkey
)
SELECT ps_partkey, value
FROM stock
WHERE value > (SELECT sum(value) * DECIMAL '0.005' FROM stock)
ORDER BY value DESC, ps_partkey
