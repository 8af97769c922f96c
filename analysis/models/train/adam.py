"""Adam, written out: torch's own optimisers import its compiler when made, seconds for networks that train in less.

On a CUDA device torch's own: one kernel, whose number of steps lies on the device, so that it can be captured.
"""

import torch

BETAS = (0.9, 0.999)


def adam(parameters, rate: float, decay: float = 0.0) -> "Adam | CudaAdam":
    """Return the Adam for where the parameters lie."""
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    return (CudaAdam if parameters[0].is_cuda else Adam)(parameters, rate, decay)


class Adam:
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019), as ``torch.optim.AdamW``.

    Parameters
    ----------
    parameters : tensors that require gradients; others are left out
    epsilon : float
        1e-7 as in Keras, with which the report trained; torch's own default is 1e-8.
    """

    def __init__(self, parameters, rate: float, decay: float = 0.0, epsilon: float = 1e-7):
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.rate, self.decay, self.epsilon, self.betas = rate, decay, epsilon, BETAS
        self.steps = 0
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Take one step along the gradients and clear them; a parameter without a gradient counts as gradient 0."""
        self.steps += 1
        b1, b2 = self.betas
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        torch._foreach_lerp_(self.means, gradients, 1 - b1)
        torch._foreach_mul_(self.squares, b2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - b2)
        if self.decay:
            torch._foreach_mul_(self.parameters, 1 - self.rate * self.decay)
        spread = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(spread, (1 - b2**self.steps) ** 0.5)
        torch._foreach_add_(spread, self.epsilon)
        torch._foreach_addcdiv_(self.parameters, self.means, spread, -self.rate / (1 - b1**self.steps))
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moments and the number of steps as tensors by name."""
        result = {"steps": torch.tensor(self.steps)}
        for number, (mean, square) in enumerate(zip(self.means, self.squares, strict=True)):
            result |= {f"mean/{number}": mean, f"square/{number}": square}
        return result

    @torch.no_grad()
    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Take over what `state` gave. Copies, so that each moment stays laid out as its parameter."""
        self.steps = int(state["steps"])
        for number in range(len(self.parameters)):
            self.means[number].copy_(state[f"mean/{number}"])
            self.squares[number].copy_(state[f"square/{number}"])


class CudaAdam:
    """The same on a CUDA device; a parameter without a gradient stays as it is."""

    def __init__(self, parameters, rate: float, decay: float = 0.0, epsilon: float = 1e-7):
        self.parameters = list(parameters)
        self.optimiser = torch.optim.AdamW(
            self.parameters, rate, BETAS, epsilon, weight_decay=decay, fused=True, capturable=True
        )

    def step(self) -> None:
        """Take one step along the gradients and clear them."""
        self.optimiser.step()
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moments and the numbers of steps as tensors by name."""
        return {
            f"{name}/{number}": value
            for number, parameter in enumerate(self.parameters)
            for name, value in self.optimiser.state[parameter].items()
        }

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Take over what `state` gave."""
        for key, value in state.items():
            name, number = key.split("/")
            parameter = self.parameters[int(number)]
            like = torch.zeros_like(parameter) if name != "step" else torch.zeros((), device=parameter.device)
            self.optimiser.state[parameter][name] = like.copy_(value)
