"""The README's own lines on logging a network while it trains."""

from pathlib import Path

from bn_theory.networks.threads import one_thread

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_lines_of_the_readme(capsys):
    text = README.read_text(encoding="utf-8")
    _, _, rest = text.partition("```python\nfrom bn_theory.networks import LoggedTrainer")
    block = "from bn_theory.networks import LoggedTrainer" + rest.partition("```")[0]
    with one_thread():
        exec(compile(block, "README.md", "exec"), {})
    variant, growth, *rates = capsys.readouterr().out.splitlines()
    assert variant == "('last_norm.weight', 'last_norm.bias')"
    assert 0 < float(growth) <= 1
    ratios = [float(x) for x in " ".join(rates).strip("[] ").split()]
    assert len(ratios) == 7 and all(0 < r < 1 for r in ratios)  # four kernels, three pairs but the last: rates fell
