-- Visits by visitor.
SELECT visitor, count(*) AS visits
FROM {{ ref("shop.visits") }}
GROUP BY visitor
