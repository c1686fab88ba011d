#include "results/redact.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "example.h"
#include "results/json.h"

namespace wan {
namespace {

RunRecord sealed(const std::string& prompt = "two cats") {
  RunRecord record = example_record();
  record.workload.prompt = prompt;
  record.workload.negative_prompt = "blurry";
  record.workload.prompts_sha256.clear();
  record.run_case.key = sha256_hex(prompt + " and all else of the case");
  record.id.clear();
  seal(record);
  return record;
}

TEST(Redact, LeavesNoPromptHostOrPath) {
  RunRecord record = sealed();
  Redactor().redact(record);
  const std::string text = to_json(record);
  for (const char* secret : {"two cats", "blurry", "\"box\"", "01.mp4", "report.md", "a.png", "4567cdef"})
    EXPECT_EQ(text.find(secret), std::string::npos) << secret;
}

/// Who has the published record, the program and a list of words can make each of these.
TEST(Redact, LeavesNoDigestThatAListOfWordsUndoes) {
  const RunRecord original = sealed();
  RunRecord record = original;
  Redactor().redact(record);
  const std::string text = to_json(record);
  const std::string digests[] = {prompts_digest("two cats", "blurry"), original.workload.prompts_sha256,
                                 original.workload_key, original.run_case.key, original.id};
  for (const std::string& digest : digests) {
    ASSERT_FALSE(digest.empty());
    EXPECT_EQ(text.find(digest), std::string::npos) << digest;
  }
  RunRecord guessed = record;
  guessed.workload.prompts_sha256 = prompts_digest("two cats", "blurry");
  EXPECT_NE(workload_key(guessed.workload), record.workload_key);
}

TEST(Redact, WhatWasEqualStaysEqualAmongWhatIsPublishedTogetherAndNowhereElse) {
  const Redactor redactor;
  RunRecord a = sealed(), b = sealed(), c = sealed("two dogs"), elsewhere = sealed();
  for (RunRecord* record : {&a, &b, &c}) redactor.redact(*record);
  Redactor().redact(elsewhere);
  EXPECT_EQ(a.workload.prompts_sha256, b.workload.prompts_sha256);
  EXPECT_EQ(a.workload_key, b.workload_key);
  EXPECT_EQ(a.run_case.key, b.run_case.key);
  EXPECT_EQ(a.id, b.id);
  EXPECT_NE(a.workload.prompts_sha256, c.workload.prompts_sha256);
  EXPECT_NE(a.workload_key, c.workload_key);
  EXPECT_NE(a.id, c.id);
  EXPECT_NE(a.workload.prompts_sha256, elsewhere.workload.prompts_sha256);
  EXPECT_EQ(a.id.size(), 16u);
  EXPECT_EQ(a.workload_key.size(), 64u);
}

TEST(Redact, TheKeyDecidesTheDigests) {
  RunRecord a = sealed(), b = sealed(), c = sealed();
  Redactor("k").redact(a);
  Redactor("k").redact(b);
  Redactor("l").redact(c);
  EXPECT_EQ(to_json(a), to_json(b));
  EXPECT_NE(a.id, c.id);
}

TEST(Redact, NoSecretOfACommandOrOfItsTextsStays) {
  RunRecord record = sealed();
  record.engine.kind = EngineKind::kExternal;
  record.engine.command = {"/bin/sh", "-c", "program --token hunter2"};
  record.engine.env = {{"API_KEY", "hunter2"}};
  record.engine.facts = {{"said", "hunter2"}};
  record.engine.versions = {{"torch", "2.5.1+cu124"}, {"said", "hunter2"}, {"long", std::string(100, '1')}};
  record.status = RunStatus::kCrash;
  record.error = ErrorFacts{};
  record.error->message = record.error->advice = record.error->stderr_tail = "hunter2";
  record.validity = {{kUnreadableFlag, "a line cannot be read: hunter2", "", false}, {"swap", "3 pages", "", true}};
  Redactor().redact(record);
  const std::string text = to_json(record);
  for (const char* secret : {"hunter2", "API_KEY", "--token"})
    EXPECT_EQ(text.find(secret), std::string::npos) << secret;
  EXPECT_EQ(record.engine.versions, (std::map<std::string, std::string>{{"torch", "2.5.1+cu124"}}));
  EXPECT_EQ(record.validity[1].detail, "3 pages");
}

TEST(Redact, OfThePlaceOfTheWeightsTheKindStays) {
  RunRecord record = sealed();
  record.system.weights_storage = "nfs4 on files.example:/home/someone/weights";
  Redactor().redact(record);
  EXPECT_EQ(record.system.weights_storage, "nfs4");
}

TEST(Redact, OfAnImportNoNameOfAPromptAHostOrAFileStays) {
  RunRecord record = sealed();
  record.imported = ImportInfo{};
  record.imported->file = "/home/someone/report.md";
  record.imported->notes = {"someone said so"};
  record.imported->printed = {
      {"Prompt", "someone"}, {"Host_Name", "someone"}, {"Output Path", "someone"}, {"Steps", "50"}};
  Redactor().redact(record);
  EXPECT_EQ(to_json(record).find("someone"), std::string::npos);
  EXPECT_EQ(record.imported->printed, (std::map<std::string, std::string>{{"Steps", "50"}}));
}

TEST(Redact, WhatWasNotThereIsNotMade) {
  RunRecord record;
  Redactor().redact(record);
  EXPECT_EQ(record.workload.prompts_sha256 + record.workload_key + record.run_case.key + record.id, "");
}

TEST(Redact, AnAblationNamesNoFile) {
  Ablation ablation;
  ablation.arms.resize(2);
  ablation.arms[1].name = "magcache";
  ablation.arms[1].why_not_run = "/home/me/c.json: is the curve of another model";
  ablation.arms[1].remarks = {"the curve /home/me/c.json is of another shift"};
  Redactor::redact(ablation);
  EXPECT_EQ(ablation.arms[0].why_not_run, "") << "it was run";
  EXPECT_EQ(to_json(ablation).find("/home"), std::string::npos);
  EXPECT_NE(ablation.arms[1].why_not_run, "");
}

TEST(Redact, ALoadTestNamesNoServer) {
  LoadTest test;
  test.url = "http://gpu7.example.org:8080";
  test.levels.resize(1);
  test.levels[0].requests.resize(1);
  test.levels[0].requests[0].detail = "connecting: gpu7.example.org refused";
  Redactor::redact(test);
  EXPECT_EQ(to_json(test).find("example.org"), std::string::npos);
}

}  // namespace
}  // namespace wan
