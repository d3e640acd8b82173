"""The page of the helper module holds all that is public, as Sphinx documents it."""

import mle_helpers


def test_all_that_is_public_is_there(soups: dict) -> None:
    article = soups["book/api.html"].article
    anchors = {each["id"] for each in article.find_all("dt", id=True)}
    public = {f"mle_helpers.{name}" for name in mle_helpers.__all__}
    assert public - anchors == {"mle_helpers.LOOKS"}  # which is no function: it is told
    assert anchors <= public
    assert "LOOKS" in article.get_text()
