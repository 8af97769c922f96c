"""Adam with torch's fused kernel: the same bits on every processor, and one kernel for all parameters on a GPU.

We call the kernel as ``torch.optim.AdamW(fused=True)`` does. That class imports torch's compiler when it is created,
which takes longer than training a small network, and its other implementations take square roots whose last bit
depends on the processor.
"""

import torch

BETAS = (0.9, 0.999)


class Adam:
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019), as ``torch.optim.AdamW``.

    Parameters
    ----------
    parameters : tensors on one device
        Those that require no gradient are left out.
    rate : float
        Learning rate.
    decay : float
        Weight decay; a step multiplies it by `rate`.
    epsilon : float
        1e-7 as in Keras, with which the report trained; torch's default is 1e-8.
    """

    def __init__(self, parameters, rate: float, decay: float = 0.0, epsilon: float = 1e-7):
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.rate, self.decay, self.epsilon = rate, decay, epsilon
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        # On the device, so that a captured step counts its replays.
        self.steps = torch.zeros((), device=self.parameters[0].device)

    @torch.no_grad()
    def step(self) -> None:
        """Take one step along the gradients and clear them; a parameter without a gradient counts as gradient 0."""
        self.steps += 1
        torch._fused_adamw_(
            self.parameters,
            [_gradient(parameter) for parameter in self.parameters],
            self.means,
            self.squares,
            [],  # largest squares, used only by AMSGrad
            [self.steps] * len(self.parameters),
            lr=self.rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moments and the number of steps as tensors by name."""
        result = {"steps": self.steps}
        for number, (mean, square) in enumerate(zip(self.means, self.squares, strict=True)):
            result |= {f"mean/{number}": mean, f"square/{number}": square}
        return result

    @torch.no_grad()
    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Restore what `state` returned; each moment keeps the memory layout of its parameter."""
        self.steps.copy_(state["steps"])
        for number in range(len(self.parameters)):
            self.means[number].copy_(state[f"mean/{number}"])
            self.squares[number].copy_(state[f"square/{number}"])


def _gradient(parameter: torch.Tensor) -> torch.Tensor:
    """Return the gradient in the memory layout of its parameter: the kernel reads both in order of memory."""
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    if parameter.grad.stride() == parameter.stride():
        return parameter.grad
    return torch.empty_like(parameter).copy_(parameter.grad)
