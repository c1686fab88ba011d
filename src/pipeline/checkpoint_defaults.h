// What a checkpoint is best sampled with: a file of its folder may say, where the published models' own defaults do not
// fit a model of other sizes or with other training.
#pragma once

#include <filesystem>

#include "pipeline/request.h"

namespace wan {

/// A request that says nothing but what the folder's file (kCheckpointDefaultsName) says, nothing at all where there is
/// none: {"schema": "wanbench.checkpoint", "format": 1, "defaults": {...}} with any of width and height (together),
/// num_frames, recipe, steps, shift, guidance_scale, guidance_scale_2, boundary, split_step, negative_prompt, quantize,
/// whole_blocks and whole_steps, as a suite writes them.
/// Throws Error(kInput) naming the file and the field.
Request read_checkpoint_defaults(const std::filesystem::path& folder);

/// `request` with what it leaves open taken from `defaults`. An option the user gave is never changed; guidance in
/// all its spellings is one option. How the checkpoint is sampled is of its own recipe, the official one where it names
/// none: a request for another recipe takes none of it. What of the DiT stays whole is for Precision::k8Bit alone,
/// where the request leaves all of that open.
Request with_defaults(Request request, const Request& defaults);

}  // namespace wan
