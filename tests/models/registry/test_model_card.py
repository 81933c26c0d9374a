from models.registry.model_card import model_card


def test_a_card_shows_its_facts_in_order_and_its_limits():
    card = model_card(
        name="emberline-edit",
        stage="sft",
        parameters=2_520_000,
        sample_size=64,
        languages=("en",),
        training={"starts from": "ct", "final loss": 0.25},
        data={"digest": "ab|cd"},
    )
    assert "# emberline-edit, stage sft" in card
    assert "2,520,000" in card
    assert card.index("| starts from | ct |") < card.index("| final loss | 0.25 |")
    assert "| digest | ab\\|cd |" in card
    assert "languages other than en are refused" in card
    assert '{"image": open(' in card
