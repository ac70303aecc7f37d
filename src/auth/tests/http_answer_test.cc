// SPDX-License-Identifier: MIT
#include "auth/http_answer.h"

#include <gtest/gtest.h>

#include "auth/http_question.h"
#include "base/json.h"

namespace sb::auth {
namespace {

using Result = HttpAnswer::Result;
constexpr auto kLogin = HttpAsked::login, kRights = HttpAsked::rights;

std::optional<HttpAnswer> parse(HttpAsked asked, unsigned status, std::string_view body, std::string* why = nullptr) {
  std::string unused;
  return parse_http_answer(asked, status, body, why ? *why : unused);
}

TEST(HttpAnswer, Results) {
  const struct {
    HttpAsked asked;
    unsigned status;
    std::string_view body;
    std::optional<Result> result;
  } rows[] = {
      {kLogin, 200, R"({"result":"allow"})", Result::allow},
      {kLogin, 200, R"({"result":"deny"})", Result::deny},
      {kLogin, 200, R"({"result":"ignore"})", Result::ignore},
      {kLogin, 200, R"({"result":"allow","other":[{"deep":1}]})", Result::allow},
      {kLogin, 200, "", Result::allow},
      {kLogin, 204, "", Result::allow},
      {kLogin, 401, "", Result::deny},
      {kLogin, 403, R"({"result":"allow"})", Result::deny},
      {kLogin, 403, "<html>", Result::deny},
      {kLogin, 200, " ", std::nullopt},
      {kLogin, 200, "allow", std::nullopt},
      {kLogin, 200, "{}", std::nullopt},
      {kLogin, 200, "[]", std::nullopt},
      {kLogin, 200, "true", std::nullopt},
      {kLogin, 200, R"({"result":"Allow"})", std::nullopt},
      {kLogin, 200, R"({"result":true})", std::nullopt},
      {kLogin, 200, R"({"result":"deny","result":"allow"})", std::nullopt},
      {kLogin, 200, R"({"result":"allow")", std::nullopt},
      {kLogin, 200, R"({"result":"allow"} x)", std::nullopt},
      {kLogin, 200, R"({"acl":{"pub":["a"]}})", std::nullopt},
      {kLogin, 201, R"({"result":"allow"})", std::nullopt},
      {kLogin, 202, "", std::nullopt},
      {kLogin, 302, "", std::nullopt},
      {kLogin, 400, R"({"result":"deny"})", std::nullopt},
      {kLogin, 404, "", std::nullopt},
      {kLogin, 407, "", std::nullopt},
      {kLogin, 429, "", std::nullopt},
      {kLogin, 500, R"({"result":"allow"})", std::nullopt},
      {kLogin, 503, "", std::nullopt},
      {kRights, 200, R"({"acl":{"pub":["a"]}})", Result::allow},
      {kRights, 200, R"({"result":"allow","acl":{}})", Result::allow},
      {kRights, 200, R"({"superuser":true})", Result::allow},
      {kRights, 200, R"({"result":"deny"})", Result::deny},
      {kRights, 401, "", Result::deny},
      {kRights, 403, "", Result::deny},
      {kRights, 200, "", std::nullopt},
      {kRights, 204, "", std::nullopt},
      {kRights, 200, "{}", std::nullopt},
      {kRights, 200, R"({"result":"allow"})", std::nullopt},
      {kRights, 200, R"({"superuser":false})", std::nullopt},
      {kRights, 200, R"({"result":"ignore"})", std::nullopt},
      {kRights, 500, R"({"superuser":true})", std::nullopt},
  };
  for (auto& r : rows) {
    std::string why;
    auto answer = parse(r.asked, r.status, r.body, &why);
    ASSERT_EQ(answer.has_value(), r.result.has_value()) << r.status << " " << r.body;
    EXPECT_EQ(why.empty(), answer.has_value()) << r.body;
    if (answer) {
      EXPECT_EQ(answer->result, *r.result) << r.body;
    }
  }
}

TEST(HttpAnswer, Members) {
  auto a = parse(kLogin, 200, R"({"result":"allow","username":"ada","acl":{"pub":["a/%c"],"sub":["b"]},
                                  "expires_in":3600.9,"ttl":0,"superuser":false})");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->username, "ada");
  EXPECT_EQ(a->ends, Seconds(3600));
  EXPECT_EQ(a->good_for, Seconds(0));
  ASSERT_NE(a->rights, nullptr);
  EXPECT_TRUE(a->rights->may_publish({"c", "ada"}, "a/c", false));
  EXPECT_FALSE(a->rights->may_publish({"c", "ada"}, "b", false));

  a = parse(kLogin, 200, R"({"result":"allow"})");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->username, "");
  EXPECT_FALSE(a->ends || a->good_for || a->rights);

  a = parse(kLogin, 200, R"({"result":"allow","superuser":true,"acl":{}})");
  ASSERT_TRUE(a);
  EXPECT_TRUE(a->rights->may_publish({"c", ""}, "x", false));
}

TEST(HttpAnswer, AMemberThatIsWrongMakesItNone) {
  for (std::string_view member :
       {R"("username":1)", R"("username":null)", R"("username":"a\u0000")", R"("acl":[])", R"("acl":null)",
        R"("acl":{"pub":["a#"]})", R"("acl":{"publish":["a"]})", R"("superuser":1)", R"("superuser":"true")",
        R"("expires_in":0)", R"("expires_in":-1)", R"("expires_in":"60")", R"("expires_in":1e999)", R"("ttl":-1)",
        R"("ttl":"60")", R"("ttl":1e30)", R"("ttl":null)"}) {
    const std::string body = R"({"result":"allow",)" + std::string(member) + "}";
    EXPECT_FALSE(parse(kLogin, 200, body)) << body;
  }
}

TEST(HttpAnswer, WhyNamesNothingOfTheBody) {
  std::string why;
  EXPECT_FALSE(parse(kLogin, 200, R"({"result":"s3cret"})", &why));
  EXPECT_EQ(why.find("s3cret"), why.npos) << why;
  EXPECT_FALSE(parse(kLogin, 500, "s3cret", &why));
  EXPECT_EQ(why, "status 500");
}

TEST(HttpQuestion, IsJson) {
  const std::string odd = "\"\\/\x01\n\x7F ä€😀</script>";
  HttpQuestion q;
  q.add("client_id", "c");
  q.add("password", odd);
  q.add("username", std::nullopt);
  const std::string text = q.take();
  const auto value = parse_json(text, 2);
  ASSERT_TRUE(value && value->is_object()) << text;
  EXPECT_EQ(value->at("client_id").as_string(), "c");
  EXPECT_EQ(value->at("password").as_string(), odd.c_str());
  EXPECT_TRUE(value->at("username").is_null());
  EXPECT_EQ(value->as_object().size(), 3u);
}

}  // namespace
}  // namespace sb::auth
