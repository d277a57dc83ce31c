"""What intrinsic functions come to."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.deploy.intrinsics import NO_VALUE, Resolver, Unresolvable

NAMES = {"AWS::Region": "eu-west-1", "AWS::NoValue": NO_VALUE, "Size": "3"}
FOUND = {("B", None): "bucket", ("B", "Arn"): "arn:aws:s3:::bucket", ("T", "A.B"): "dotted"}
CONDITIONS = {
    "Yes": {"Fn::Equals": [{"Ref": "Size"}, "3"]},
    "No": {"Fn::Not": [{"Condition": "Yes"}]},
    "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
    "Either": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
}
MAPPINGS = {"Sizes": {"eu-west-1": {"Big": 9}}}


def resolver() -> Resolver:
    return Resolver(NAMES, lambda name, part: FOUND[name, part], CONDITIONS, MAPPINGS, {"Other:Out": "imported"})


@pytest.mark.parametrize(
    ("give", "want"),
    [
        ({"Ref": "B"}, "bucket"),
        ({"Ref": "Size"}, "3"),
        ({"Fn::GetAtt": ["B", "Arn"]}, "arn:aws:s3:::bucket"),
        ({"Fn::GetAtt": "T.A.B"}, "dotted"),
        ({"Fn::Join": ["-", ["a", {"Ref": "B"}, 1, True]]}, "a-bucket-1-true"),
        ({"Fn::Sub": "${B}/${B.Arn}/${AWS::Region}/${!Literal}"}, "bucket/arn:aws:s3:::bucket/eu-west-1/${Literal}"),
        ({"Fn::Sub": ["${X}-${B}", {"X": {"Ref": "Size"}}]}, "3-bucket"),
        ({"Fn::Select": [1, {"Fn::Split": [":", {"Fn::GetAtt": ["B", "Arn"]}]}]}, "aws"),
        ({"Fn::Select": ["0", ["a", "b"]]}, "a"),
        ({"Fn::Select": [1, {"Fn::GetAZs": ""}]}, "eu-west-1b"),
        ({"Fn::Select": [2, {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}, "eu-west-1c"),
        ({"Fn::If": ["Yes", "a", "b"]}, "a"),
        ({"Fn::If": ["Both", "a", {"Fn::If": ["Either", "c", "d"]}]}, "c"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "Big"]}, 9),
        ({"Fn::ImportValue": "Other:Out"}, "imported"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}, {"b": [1]}),
        ({"Condition": {"StringEquals": {"x": "y"}}}, {"Condition": {"StringEquals": {"x": "y"}}}),
    ],
)
def test_value(give: Any, want: Any) -> None:
    assert resolver().value(give) == want


@pytest.mark.parametrize(
    ("give", "want"),
    [
        ({"Fn::Select": [3, ["a"]]}, "no item 3"),
        ({"Fn::FindInMap": ["Sizes", "mars", "Big"]}, "nothing at Sizes.mars.Big"),
        ({"Fn::If": ["Unknown", 1, 2]}, "no condition 'Unknown'"),
        ({"Fn::Cidr": ["10.0.0.0/8", 1, 1]}, "Fn::Cidr is not handled"),
        ({"Fn::Join": ["", [["a"]]]}, "text is expected"),
    ],
)
def test_unresolvable(give: Any, want: str) -> None:
    with pytest.raises(Unresolvable, match=want):
        resolver().value(give)
