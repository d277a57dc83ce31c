-- Revenue of three brands in small, medium and large packages delivered in person by air. (TPC-H Q19)
SELECT sum(revenue) AS revenue
FROM {{ ref("supply.sourced_lines") }}
WHERE
    l_shipmode IN ('AIR', 'AIR REG', 'REG AIR')
    AND l_shipinstruct = 'DELIVER IN PERSON'
    AND (
        (
            p_brand = 'Brand#12'
            AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG')
            AND l_quantity BETWEEN 1 AND 31
            AND p_size BETWEEN 1 AND 25
        )
        OR (
            p_brand = 'Brand#23'
            AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK')
            AND l_quantity BETWEEN 10 AND 40
            AND p_size BETWEEN 1 AND 30
        )
        OR (
            p_brand = 'Brand#34'
            AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG')
            AND l_quantity BETWEEN 20 AND 50
            AND p_size BETWEEN 1 AND 35
        )
    )
