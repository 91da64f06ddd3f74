"""Whole micros: what is read, written, rounded and shared out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import money
from core.errors import Invalid

micros = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("0.05", 50_000), ("12.5", 12_500_000), (" 3 ", 3_000_000), ("0.0001", 100), ("1000000000", 10**15)],
)
def test_an_amount_is_read_exactly(text, amount):
    assert money.parse(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,0",
        "-1",
        "NaN",
        "Infinity",
        "-0.0001",
        "1e308",
        "0.00001",
        "1000000000.0001",
        "٣x",
        "0x10",
        "1 000",
        "--1",
        "9" * 400,
    ],
)
def test_what_is_no_amount_is_refused_by_name(text):
    with pytest.raises(Invalid) as refusal:
        money.parse(text, field="rules.reward")

    assert list(refusal.value.errors) == ["rules.reward"]


def test_a_float_is_a_mistake_of_ours():
    with pytest.raises(TypeError):
        money.parse(0.1)


@given(micros)
def test_what_is_written_can_be_read_again(amount):
    written = money.format_amount(amount)

    assert int(Decimal(written) * money.MICROS) == amount
    assert len(written.partition(".")[2]) >= 2


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_a_fee_is_rounded_half_up_to_a_micro(reward, basis_points):
    fee = money.fee_of(reward, basis_points)

    assert 2 * fee * 10_000 - 10_000 <= 2 * reward * basis_points < 2 * fee * 10_000 + 10_000


def test_ten_percent_of_a_cent_is_exact_and_half_a_micro_goes_up():
    assert money.fee_of(10_000, 1000) == 1000
    assert money.fee_of(5, 1000) == 1
    assert money.fee_of(4, 1000) == 0


@given(st.integers(0, 10**12), st.integers(1, 1000))
def test_shares_differ_by_a_micro_at_most_and_sum_to_the_whole(total, shares):
    parts = money.split(total, shares)

    assert sum(parts) == total
    assert len(parts) == shares
    assert max(parts) - min(parts) <= 1


@given(st.integers(0, 10**12))
def test_whole_cents_never_exceed_the_balance(amount):
    cents = money.whole_cents(amount)

    assert cents % money.CENT == 0
    assert 0 <= amount - cents < money.CENT
