-- Items and their average price by kind.
SELECT kind, count(*) AS items, sum(price) AS total
FROM {{ ref("shop.items") }}
GROUP BY kind
