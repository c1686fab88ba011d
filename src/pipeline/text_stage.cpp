#include "pipeline/text_stage.h"

#include <algorithm>

#include "model/cost.h"
#include "model/text_cleaning.h"
#include "model/tokenizer.h"

namespace wan {
namespace {

/// Without a tokenizer: as many tokens as the words would roughly give, ids spread over the vocabulary.
std::vector<int32_t> invented_ids(const std::string& text, int64_t vocabulary) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < std::min<size_t>(511, text.size() / 4 + 1); ++i)
    ids.push_back(
        static_cast<int32_t>((i * 7919 + static_cast<unsigned char>(text.empty() ? 0 : text[i % text.size()])) %
                             static_cast<size_t>(vocabulary)));
  ids.push_back(1);
  return ids;
}

}  // namespace

void TextStage::start() {
  store_ = context_.models.make_text_store(context_.plan);
  store_->start();
}

std::vector<std::vector<int32_t>> TextStage::tokenize() const {
  const ModelSet& set = context_.models.set;
  const Plan& plan = context_.plan;
  if (!set.checkpoint)
    return {invented_ids(plan.prompt, set.text.vocabulary), invented_ids(plan.negative_prompt, set.text.vocabulary)};
  const Tokenizer tokenizer(set.checkpoint->tokenizer);
  return {tokenizer.encode(clean_prompt(plan.prompt)), tokenizer.encode(clean_prompt(plan.negative_prompt))};
}

std::vector<Tensor> TextStage::encode() {
  context_.enter(StageRole::kTextEncoding);
  Models& m = context_.models;
  std::vector<Tensor> rows = run_encoder(tokenize());
  if (!m.text_backend) {
    context_.clock.add_waits(store_->take_waits());
    context_.clock.add_copies(store_->take_copies());
  }
  report_memory(context_, store_.get(), 0);
  store_.reset();
  m.start_expert(context_.plan.expert_of(0));
  context_.dump.add("text.positive", rows[0]);
  context_.dump.add("text.negative", rows[1]);
  return rows;
}

std::vector<Tensor> TextStage::run_encoder(const std::vector<std::vector<int32_t>>& ids) {
  Models& m = context_.models;
  Backend& backend = m.text_device();
  for (const auto& prompt : ids)
    context_.clock.add_flops(text_encoder_cost(m.set.text, static_cast<int64_t>(prompt.size())));
  const DType compute = m.text_backend ? DType::kBF16 : context_.plan.compute;
  const WeightLayout layout = text_encoder_norm_layout(m.set.text);
  const WeightPart& norm_part = layout.slots().front().parts.front();
  Tensor norm_host = host_tensor(DType::kF32, norm_part.shape);
  m.text_source->read(norm_part, 0, norm_part.shape.count(), DType::kF32, norm_host->data);
  const Tensor norm = backend.allocate(DType::kF32, norm_part.shape, "text encoder weights");
  backend.upload(norm_host, norm);
  return encode_text(backend, m.set.text, compute, *m.text_source, norm, *store_, ids);
}

}  // namespace wan
