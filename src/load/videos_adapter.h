// POST /v1/videos: ours, and the open servers that took this shape over from OpenAI.
#pragma once

#include "load/adapter.h"

namespace wan::load {

enum class VideosBody { kForm, kJson };

/// SGLang, FastVideo, vLLM-Omni: state by asking.
std::unique_ptr<Adapter> make_videos_adapter(VideosBody body);

/// `wanbench serve`: events, place in the queue, expected seconds, stages, energy, price, power.
std::unique_ptr<Adapter> make_own_adapter();

}  // namespace wan::load
