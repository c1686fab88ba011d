"""Trains the small model: the VAE, then text encoder and DiT together; evaluates and exports what there is at the end.

    python3 tools/train_small/train.py --state DIR [--out DIR] [--max-minutes 8] [--resume] [--last] [--vae FILE] [--begin FOLDER]

Goes on from DIR's files with --resume, takes a finished VAE with --vae, begins with the text encoder and the DiT of a checkpoint
with --begin, stops in time for the evaluation, and leaves beside each other: the state to go on from (vae.pt, dit.pt, average.pt),
the checkpoint in the official layout (export.tar), pictures and rates. The learning rate follows the minutes spent of those
planned, so that a faster machine trains longer and a slower one still ends well.
"""
import time

BEGUN = time.monotonic()  # before torch, whose loading from a cold disk takes long

import argparse
import json
import math
import multiprocessing
import os
import pathlib
import random
import shutil
import sys
import tarfile
import tempfile

import torch
from safetensors.torch import load_file

import evaluation
import export
import model as m
import vae
from data import LatentPool, cropped_batch, scene_batch
from muon import Muon
from tokenizer import Tokenizer

TOKENIZER = pathlib.Path(__file__).resolve().parents[2] / "models" / "shapes-ti2v" / "google" / "umt5-xxl"
EVALUATION_MINUTES = 0.4  # kept for what follows training
EXPORT_MINUTES = 0.05  # of it, where nothing is evaluated
WARM_UP_STEPS = 200  # after every start: the optimiser's moments are not in the state, which must stay small
NAT_PRICE = 0.5  # what one nat of latent costs, as absolute error of one channel of one pixel
CROPPED_SHARE = 0.6  # of the VAE's time
MATRIX_RATE = 20  # Muon's learning rate, as a multiple of AdamW's
FIRST_FRAME_WEIGHT = 2  # from text, every later frame takes its shape from the first one
AVERAGE_VAE, AVERAGE_DIT = 0.995, 0.999  # how much of the averaged weights a step keeps, in the long run
# How far compiled blocks may be from written ones, relative: both round to bf16, at other places.
COMPILED_LOSS, COMPILED_GRADIENT = 0.01, 0.1
# The mean loss of the first captured steps, as a multiple of that of the last written ones. The network learns meanwhile, fast where
# it begins with weights of other heads; where it goes on from an earlier call, the rate that rises again costs a little.
CAPTURED_LOSS = (0.3, 1.3)


class Clock:
    """Minutes of this call, from the program's start on."""

    def __init__(self, limit):
        self.start, self.limit = BEGUN, limit

    def minutes(self):
        return (time.monotonic() - self.start) / 60

    def left(self):
        return max(self.limit - self.minutes(), 1e-3)

    def is_over(self):
        return self.minutes() >= self.limit


def log(message):
    print(message, flush=True)


def save(path, value):
    """Whole or not at all."""
    beside = path.with_suffix(".part")
    torch.save(value, beside)
    os.replace(beside, path)


class Trainer:
    """One network's optimisers, average and schedule: Muon for the weights named in `matrices`, AdamW for all others.
    `spent` are the minutes earlier calls trained it for; the learning rate falls from minute `since` to minute `planned`."""

    def __init__(self, network, clock, planned, peak, keep, matrices=()):
        self.network, self.clock, self.planned, self.peak, self.keep = network, clock, planned, peak, keep
        self.device = next(network.parameters()).device
        self.spent, self.since, self.steps, self.begun, self.steps_here = 0.0, 0.0, 0, None, 0
        self.parameters = list(network.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        on_gpu = self.device.type == "cuda"
        named = dict(network.named_parameters())
        self.muon = Muon([named[name] for name in matrices], torch.tensor(MATRIX_RATE * peak, device=self.device)) if matrices else None
        self.others = [p for name, p in named.items() if name not in matrices]
        # On the GPU the rate is a tensor: a captured step reads it anew each time.
        self.optimiser = torch.optim.AdamW(
            self.others,
            lr=torch.tensor(peak, device=self.device) if on_gpu else peak,
            betas=(0.9, 0.99),
            weight_decay=0.01,
            fused=on_gpu,
            capturable=on_gpu,
        )

    def minutes(self):
        """Trained in all."""
        return self.spent + (0 if self.begun is None else self.clock.minutes() - self.begun)

    def is_done(self):
        return self.minutes() >= self.planned

    def rate(self):
        share = min(1.0, (self.minutes() - self.since) / (self.planned - self.since))
        return self.peak * min(1.0, (self.steps_here + 1) / WARM_UP_STEPS) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))

    def end_with_call(self):
        """A whole fall of the learning rate in what is left of this call."""
        self.since, self.planned = self.spent, self.spent + self.clock.left()

    def step(self, loss):
        self.advance(lambda: self.update(loss))

    def advance(self, update):
        """One step: `update`, which calls self.update or replays it, under the rate of this moment; its loss."""
        self.begun = self.clock.minutes() if self.begun is None else self.begun
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(self.rate())
            else:
                group["lr"] = self.rate()
        if self.muon:
            self.muon.rate.fill_(MATRIX_RATE * self.rate())
        loss = update()
        self._count()
        return loss

    def update(self, loss):
        """The weights' change. Nothing here waits for the device."""
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.others, 1.0)  # Muon does not look at a gradient's size
        self.optimiser.step()
        if self.muon:
            self.muon.step()
        return loss.detach()

    def _count(self):
        self.steps, self.steps_here = self.steps + 1, self.steps_here + 1
        weight = 1 - min(self.keep, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, weight)

    def averaged(self):
        """State dict with the averaged parameters."""
        names = [name for name, _ in self.network.named_parameters()]
        return dict(zip(names, self.average))

    def state(self):
        return {"weights": self.network.state_dict(), "minutes": self.minutes(), "steps": self.steps}

    def load(self, state, average):
        self.network.load_state_dict(state["weights"])
        self.spent, self.steps = state["minutes"], state["steps"]
        for (name, _), value in zip(self.network.named_parameters(), self.average):
            value.copy_(average[name])


def vae_loss(network, clips, cover):
    """Absolute error, near the shape four times as heavy, plus the latent's price; and both apart for the log."""
    mean, log_variance = network.posterior(clips)
    mean, log_variance = mean.float(), log_variance.float().clamp(-10, 3)
    latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    error = (network.decode(latent).float() - clips).abs()
    near = torch.nn.functional.max_pool2d(cover.flatten(0, 1), 9, 1, 4).view_as(cover)
    nats = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
    reconstruction = (error * (1 + 3 * near)).mean()
    return reconstruction + NAT_PRICE * nats / clips.numel(), error.mean().detach(), nats.detach() / len(clips)


def train_vae(trainer, clock, args, rng):
    network, device = trainer.network, trainer.device
    said = time.monotonic()
    while not trainer.is_done() and not clock.is_over():
        # Parts of clips teach the same sooner; whole ones come last.
        batch = cropped_batch if trainer.minutes() < CROPPED_SHARE * trainer.planned else scene_batch
        clips, cover = batch(args.vae_batch, rng, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss, error, nats = vae_loss(network, clips * 2 - 1, cover)
        trainer.step(loss)
        if time.monotonic() - said > 5 or trainer.steps == args.max_steps:
            said = time.monotonic()
            log(
                f"vae {trainer.minutes():5.2f} min step {trainer.steps:6d} loss {loss.item():.4f} error {error.item():.4f} "
                f"nats/clip {nats.item():.0f} rate {trainer.rate():.1e}"
            )
        if 0 < args.max_steps <= trainer.steps_here:
            break


def flow_loss(network, pool, batch, weight, args):
    """Squared error of the velocity noise - x0, a channel weighed by what it carries and a frame by `FIRST_FRAME_WEIGHT`. An
    eighth of the clips have a clean first latent frame at timestep 0, as image-to-video has; a tenth the negative prompt."""
    x0, ids, lengths = pool.draw(batch)
    device = x0.device
    ids, lengths = pool.drop_text(ids, lengths, 0.1)
    uniform = (torch.arange(batch, device=device) + torch.rand(batch, device=device)) / batch
    sigma = (args.train_shift * uniform / (1 + (args.train_shift - 1) * uniform)).view(-1, 1, 1, 1, 1)
    noise = torch.randn_like(x0)
    x = torch.lerp(x0, noise, sigma)
    given = torch.zeros(batch, x0.shape[1], device=device)
    given[::8, 0].fill_(1)  # spread over the noise levels
    timesteps = (1000 * sigma.view(-1, 1)).trunc() * (1 - given)
    x = torch.where(given.view(batch, -1, 1, 1, 1) > 0, x0, x)
    error = (network(x, timesteps, ids, lengths).float() - (noise - x0)) ** 2
    counted = 1 - given
    counted[:, 0].mul_(FIRST_FRAME_WEIGHT)
    return (error * counted.view(batch, -1, 1, 1, 1) * weight).sum() / weight.sum() / (error[:, :, 0].numel() * counted.mean())


def dit_loss(trainer, args, pool, weight):
    # Without autocast's cache of weights, which a captured step would go on reading.
    with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.device.type == "cuda", cache_enabled=False):
        return flow_loss(trainer.network, pool, args.dit_batch, weight, args)


def _loss_and_gradient(trainer, args, pool, weight):
    """Of one batch, always the same, as a number and one vector."""
    torch.manual_seed(args.seed)
    loss = dit_loss(trainer, args, pool, weight)
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in trainer.parameters if p.grad is not None])
    trainer.network.zero_grad(set_to_none=True)
    return loss.item(), gradient


def compile_if_equal(trainer, args, pool, weight):
    """Compiles the network's blocks; where that fails or gives another gradient, training goes on without."""
    written = _loss_and_gradient(trainer, args, pool, weight)
    begun = trainer.clock.minutes()
    try:
        m.compile_blocks(trainer.network)
        compiled = _loss_and_gradient(trainer, args, pool, weight)
        apart = ((compiled[1] - written[1]).norm() / written[1].norm()).item()
        message = f"loss {written[0]:.5f} compiled {compiled[0]:.5f}, gradients {apart:.2e} apart"
        is_equal = abs(compiled[0] - written[0]) <= COMPILED_LOSS * written[0] and apart <= COMPILED_GRADIENT
    except Exception as error:  # whatever the compiler has against this machine
        message, is_equal = f"{type(error).__name__}: {str(error)[-600:]}", False
        trainer.network.zero_grad(set_to_none=True)
    if not is_equal:
        m.stop_compiled()
    log(f"{'compiled' if is_equal else 'not compiled'} in {trainer.clock.minutes() - begun:.2f} min: {message}")


def _seconds_a_step(trainer, update, steps):
    """And the mean loss of `steps` steps."""
    torch.cuda.synchronize()
    begun = time.monotonic()
    losses = [trainer.advance(update).clone() for _ in range(steps)]
    torch.cuda.synchronize()
    return (time.monotonic() - begun) / steps, torch.stack(losses).mean().item()


def capture_if_faster(trainer, update):
    """The same step as one CUDA graph, whose thousand launches cost one; where that fails, is slower or learns
    otherwise, the step as it is. And its seconds."""
    written, loss = _seconds_a_step(trainer, update, 20)
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                trainer.advance(update)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        trainer.network.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            captured_loss = update()

        def replay():
            graph.replay()
            return captured_loss

        captured, loss_then = _seconds_a_step(trainer, replay, 40)
        is_better = captured < written and CAPTURED_LOSS[0] * loss < loss_then < CAPTURED_LOSS[1] * loss
        log(f"{1e3 * written:.1f} ms a step, loss {loss:.4f}; as a graph {1e3 * captured:.1f} ms, loss {loss_then:.4f}")
        return (replay, captured) if is_better else (update, written)
    except Exception as error:  # whatever cannot be captured on this machine
        log(f"not captured: {type(error).__name__}: {str(error)[-600:]}")
        torch.cuda.synchronize()
        return update, written


def require_time(trainer, seconds, least):
    """Throws where the time left is too short for `least` steps: what it would end in is no model, and a card is held for it."""
    steps = int(60 * trainer.clock.left() / seconds)
    log(f"time for {steps} steps")
    if steps < least:
        raise SystemExit(f"{1e3 * seconds:.1f} ms a step leave time for {steps} steps, expected at least {least} (--least-steps)")


def save_dit(trainer, args, pool):
    save(args.out / "dit.pt", {**trainer.state(), "scale": pool.normalisation.scale, "shift": pool.normalisation.shift})
    save(args.out / "average.pt", {name: value.bfloat16() for name, value in trainer.averaged().items()})


def train_dit(trainer, clock, args, pool):
    weight = pool.channel_weights()
    if args.compile:
        compile_if_equal(trainer, args, pool, weight)
    torch.manual_seed(args.seed + trainer.steps + 1)

    def update():
        return trainer.update(dit_loss(trainer, args, pool, weight))

    if args.compile and trainer.device.type == "cuda":
        update, seconds = capture_if_faster(trainer, update)
        require_time(trainer, seconds, args.least_steps)
    if args.last:
        trainer.end_with_call()
    said = saved = time.monotonic()
    losses, renewing = [], 0.0
    while not trainer.is_done() and not clock.is_over():
        if trainer.steps_here % args.refresh_every == 0:
            begun = clock.minutes()
            pool.refresh(args.refresh)
            renewing += clock.minutes() - begun
        losses.append(trainer.advance(update).clone())
        if time.monotonic() - said > 5 or trainer.steps == args.max_steps:
            said = time.monotonic()
            log(
                f"dit {trainer.minutes():5.2f} min step {trainer.steps:6d} loss {torch.stack(losses).mean().item():.4f} "
                f"rate {trainer.rate():.1e} pool {renewing:.2f} min"
            )
            losses = []
        if time.monotonic() - saved > 60:  # a call that is cut short leaves something, too
            saved = time.monotonic()
            save_dit(trainer, args, pool)
        if 0 < args.max_steps <= trainer.steps_here:
            break
    save_dit(trainer, args, pool)
    m.stop_compiled()  # what follows has other shapes


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=pathlib.Path, required=True, help="folder of vae.pt, dit.pt, average.pt")
    parser.add_argument("--out", type=pathlib.Path, help="where to write; default: the state folder")
    parser.add_argument("--resume", action="store_true", help="go on from the state folder's files")
    parser.add_argument("--max-minutes", type=float, default=8, help="of this call, everything included")
    parser.add_argument("--vae-minutes", type=float, default=4.5, help="planned for the VAE over all calls")
    parser.add_argument("--dit-minutes", type=float, default=8, help="planned for the DiT over all calls")
    parser.add_argument("--last", action="store_true", help="let the DiT's plan end with this call instead")
    parser.add_argument("--vae", type=pathlib.Path, help="finished VAE in the official layout; only the DiT is trained, on its latents")
    parser.add_argument("--begin", type=pathlib.Path, help="checkpoint in the official layout whose DiT and text encoder training begins with")
    parser.add_argument("--least-steps", type=int, default=0, help="of the DiT in this call on a GPU; where the time is too short, nothing is trained")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="run the network as it is written, step by step")
    parser.add_argument("--vae-batch", type=int, default=48)
    parser.add_argument("--dit-batch", type=int, default=512)
    parser.add_argument("--vae-rate", type=float, default=2e-3)
    parser.add_argument("--dit-rate", type=float, default=1e-3)
    parser.add_argument("--pool", type=int, default=32768, help="clips whose latents are kept")
    parser.add_argument("--refresh", type=int, default=256, help="clips replaced at a time")
    parser.add_argument("--refresh-every", type=int, default=300, help="steps between replacements")
    parser.add_argument("--train-shift", type=float, default=3.0, help="of the noise levels trained at")
    parser.add_argument("--prompts", type=int, default=120, help="held-out prompts of the evaluation; 0: none, where measure.py follows")
    parser.add_argument("--max-steps", type=int, default=0, help="of each network in this call; 0: as time allows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    args.out = args.out or args.state
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def load(path, device):
    return torch.load(path, map_location=device, weights_only=True)


def earlier_state(args, name, device):
    """What an earlier call left in the state folder, or None."""
    path = args.state / name
    return load(path, device) if args.resume and path.exists() else None


def write_export(args, trainer, vae_state, normalisation):
    """export.tar, and the rounded weights put into the network so that what is evaluated is what is exported."""
    averaged = trainer.averaged()
    trainer.network.load_state_dict({name: value.bfloat16().float() for name, value in averaged.items()})
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / "shapes-ti2v"
        export.write(folder, averaged, trainer.network.dit.config, vae_state, normalisation, TOKENIZER)
        if args.vae:  # as it came, not rounded once more
            shutil.copy(args.vae, folder / export.VAE_FILE)
        with tarfile.open(args.out / "export.part", "w") as archive:
            archive.add(folder, folder.name)
        total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    os.replace(args.out / "export.part", args.out / "export.tar")
    log(f"export: {total} bytes, {m.count(trainer.network.dit)} parameters in the DiT")


def run_vae(args, clock, device, rng, earlier):
    """The VAE with averaged weights, those, and whether its time is over."""
    network = vae.Vae().to(device)
    trainer = Trainer(network, clock, args.vae_minutes, args.vae_rate, AVERAGE_VAE)
    if earlier:
        trainer.load(earlier, earlier["average"])
    train_vae(trainer, clock, args, rng)
    averaged = trainer.averaged()
    save(args.out / "vae.pt", {**trainer.state(), "average": averaged})
    network.load_state_dict(averaged)
    network.eval().requires_grad_(False)
    evaluation.show_reconstructions(network, device, args.out / "vae.png")
    return network, averaged, trainer.is_done() or args.max_steps > 0


def begin_with(model, folder, device):
    """Takes over the tensors of a checkpoint's DiT and text encoder, by name. The number of heads is no part of their shapes:
    of a model with other heads everything but its attention's pattern is kept."""
    weights = {f"dit.{name}": value for name, value in load_file(folder / "diffusion_pytorch_model.safetensors").items()}
    encoder = load(folder / "models_t5_umt5-xxl-enc-bf16.pth", device)
    weights.update({f"text_encoder.{name}": value for name, value in encoder.items()})
    model.load_state_dict({name: value.float() for name, value in weights.items()})


def given_vae(args, device):
    """The VAE of --vae with its state; its own latents are already the engine's."""
    network = vae.Vae().to(device)
    state = vae.from_official(load(args.vae, device))
    network.load_state_dict(state)
    return network.eval().requires_grad_(False), state, m.Normalisation.none(device)


def main():
    args = parse()
    workers = multiprocessing.get_context("fork").Pool(min(12, os.cpu_count()))  # before CUDA starts: they only check clips
    clock = Clock(args.max_minutes - (EVALUATION_MINUTES if args.prompts else EXPORT_MINUTES))
    device = torch.device(args.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    vae_earlier, dit_earlier = earlier_state(args, "vae.pt", device), earlier_state(args, "dit.pt", device)
    # A resumed call must not see the first one's clips again.
    seed = args.seed + sum(state["steps"] for state in (vae_earlier, dit_earlier) if state)
    torch.manual_seed(seed)
    rng = random.Random(seed)
    normalisation = None
    if args.vae:
        network, vae_state, normalisation = given_vae(args, device)
    else:
        network, vae_state, vae_is_done = run_vae(args, clock, device, rng, vae_earlier)
        if not vae_is_done:
            log("to be resumed: the VAE has time left")
            return 0
    tokenizer = Tokenizer(TOKENIZER)
    if dit_earlier:
        normalisation = m.Normalisation(dit_earlier["scale"], dit_earlier["shift"])
    pool = LatentPool(network, tokenizer, args.pool, args.refresh, rng, device, normalisation)
    log(f"pool of {args.pool} clips after {clock.minutes():.2f} min; deviations {pool.describe()}")
    model = m.TextToVideo().to(device)
    if args.begin and not dit_earlier:
        begin_with(model, args.begin, device)
    trainer = Trainer(model, clock, args.dit_minutes, args.dit_rate, AVERAGE_DIT, m.matrices(model))
    if dit_earlier:
        trainer.load(dit_earlier, load(args.state / "average.pt", device))
    train_dit(trainer, clock, args, pool)
    torch.backends.cudnn.benchmark = False  # few calls of each shape from here on
    write_export(args, trainer, vae_state, pool.normalisation)
    if args.prompts:
        results = evaluation.evaluate(trainer.network, network, pool.normalisation, tokenizer, args, workers, log)
        (args.out / "rates.json").write_text(json.dumps(results, indent=1) + "\n")
    log(f"{'done' if trainer.is_done() else 'to be resumed'}: {trainer.minutes():.2f} of {trainer.planned:.2f} min, {clock.minutes():.2f} min in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
