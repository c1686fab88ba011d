// T5_Encoding: prompts to rows. Private to pipeline/.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/stage_context.h"

namespace wan {

class TextStage {
 public:
  explicit TextStage(const StageContext& context) : context_(context) {}
  /// Begins to read the encoder in the background.
  void start();
  /// Host F32 rows [n, dim] of the positive and of the negative prompt.
  std::vector<Tensor> encode();

 private:
  std::vector<std::vector<int32_t>> tokenize() const;
  std::vector<Tensor> run_encoder(const std::vector<std::vector<int32_t>>& ids);

  StageContext context_;
  std::unique_ptr<LayerStore> store_;
};

}  // namespace wan
