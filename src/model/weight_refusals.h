// Files that are something else than what this program runs, by the names and sizes of their tensors.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "io/tensor_file.h"
#include "model/dit_config.h"

namespace wan {

/// Whether a file that `has` tensors of these official names is a DiT that speech drives: not by one of them, but by
/// all.
bool holds_speech(const std::function<bool(std::string_view name)>& has);

/// The same of one that a driving video moves.
bool holds_animate(const std::function<bool(std::string_view name)>& has);

/// Throws Error(kInput) that names the file, the tensor and what it belongs to where a tensor's name, behind `prefix`,
/// is one of another model or of a form that is not read; says what would do instead.
void refuse_other_models(const TensorFile& file, const std::string& prefix);

/// The same for a DiT whose sizes are another model's. Sizes that no published model has are let pass: miniatures have
/// them. `where` begins the message.
void refuse_other_sizes(const DitConfig& dit, const std::string& where);

}  // namespace wan
