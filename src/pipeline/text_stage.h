// T5_Encoding: prompts to rows, by the encoder or out of the cache. Private to pipeline/.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/prompt_cache.h"
#include "pipeline/stage_context.h"

namespace wan {

class TextStage {
 public:
  TextStage(const StageContext& context, PromptCache& cache) : context_(context), cache_(cache) {}
  /// Begins to read the encoder in the background, unless the cache has all prompts.
  void start();
  /// Host F32 rows [n, dim] of the positive prompt, and of the negative one where a step uses it.
  std::vector<Tensor> encode();

 private:
  std::vector<std::vector<int32_t>> tokenize() const;
  void look_up();
  void encode_missing();
  std::vector<Tensor> run_encoder(const std::vector<std::vector<int32_t>>& ids);
  DType compute() const { return context_.models.text_backend ? DType::kBF16 : context_.plan.compute; }

  StageContext context_;
  PromptCache& cache_;
  std::vector<PromptKey> prompts_;  // positive, negative where it is used
  std::vector<Tensor> rows_;        // of each; empty: not known yet
  std::unique_ptr<LayerStore> store_;
};

}  // namespace wan
