// ComfyUI: a workflow in API format by POST /prompt, its events by the websocket, its end in /history.
#pragma once

#include "load/adapter.h"

namespace wan::load {

/// `workflow`: its text, with {prompt}, {negative_prompt}, {seed}, {steps}, {width}, {height} and {num_frames} where a
/// request's own values go: {seed} is needed, for ComfyUI computes nothing twice. Throws Error(kInput) naming what is
/// wrong with it.
std::unique_ptr<Adapter> make_comfyui_adapter(const std::string& workflow);

}  // namespace wan::load
