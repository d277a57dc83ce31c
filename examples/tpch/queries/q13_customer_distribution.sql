-- How many customers placed how many orders, special requests aside. (TPC-H Q13)
SELECT plain_orders AS c_count, count(*) AS custdist
FROM {{ ref("sales.customer_activity") }}
GROUP BY plain_orders
ORDER BY custdist DESC, c_count DESC
