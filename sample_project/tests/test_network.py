"""Tests of this project's own code: `trainshed test` runs them with pytest, or unittest where there is none."""

import unittest

import torch
from network import DelayNetwork
from pipeline import area_under_roc, weight_groups


def network(members: int = 3) -> DelayNetwork:
    torch.manual_seed(0)
    return DelayNetwork(2, [4, 3], members=members, width=5, embedding=2, input_dropout=0.4, code_dropout=0.1)


def rows(count: int) -> torch.Tensor:
    codes = [torch.randint(codes, (count, 1)).float() for codes in (4, 3)]
    return torch.cat([torch.randn(count, 2), *codes], dim=1)


class TheNetwork(unittest.TestCase):
    def test_gives_one_logit_a_row_and_a_row_does_not_depend_on_the_others(self) -> None:
        model, x = network().eval(), rows(7)
        self.assertEqual(model(x).shape, (7,))
        self.assertTrue(torch.allclose(model(x)[:2], model(x[:2]), atol=1e-6))

    def test_hides_inputs_in_training_only(self) -> None:
        model, x = network(), rows(50)
        model.train()
        self.assertFalse(torch.equal(model(x), model(x)))
        model.eval()
        self.assertTrue(torch.equal(model(x), model(x)))

    def test_pulls_weights_towards_zero_but_no_bias(self) -> None:
        decayed, free = weight_groups(network(), 0.1)
        self.assertEqual((decayed["weight_decay"], free["weight_decay"]), (0.1, 0.0))
        self.assertEqual(len(free["params"]), 3)


class TheAreaUnderRoc(unittest.TestCase):
    def test_is_how_often_a_positive_row_outranks_a_negative_one(self) -> None:
        scores, truth = torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0.0, 0.0, 1.0, 1.0])
        self.assertAlmostEqual(area_under_roc(scores, truth), 3.5 / 4)  # the tie counts half


if __name__ == "__main__":
    unittest.main()
