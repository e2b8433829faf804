"""The local issuer keeps its key: what it signed before a restart verifies after it."""

import jwt

from localcloud.issuer import Signer
from localcloud.plan import ACCOUNT, AUDIENCE

HERE = "http://issuer.test"


def verified(token, signer):
    """Returns the claims of a token by the keys that a signer publishes."""
    key_id = jwt.get_unverified_header(token)["kid"]
    (key,) = [one for one in signer.public()["keys"] if one["kid"] == key_id]
    return jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=AUDIENCE)


def test_a_token_from_before_a_restart_still_verifies(tmp_path):
    kept = tmp_path / "issuer.key"
    token = Signer(HERE, kept).mint(AUDIENCE, ACCOUNT)
    assert verified(token, Signer(HERE, kept))["email"] == ACCOUNT
    assert kept.stat().st_mode & 0o077 == 0


def test_a_key_that_is_not_kept_is_another_one_each_time():
    first, second = Signer(HERE).public()["keys"], Signer(HERE).public()["keys"]
    assert first[0]["n"] != second[0]["n"]


def test_a_new_key_signs_and_the_old_one_still_verifies(tmp_path):
    signer = Signer(HERE, tmp_path / "issuer.key")
    before = signer.mint(AUDIENCE, ACCOUNT)
    signer.rotate()
    for token in (before, signer.mint(AUDIENCE, ACCOUNT)):
        assert verified(token, signer)["iss"] == HERE
