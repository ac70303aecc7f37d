// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>

/// Keys and tokens for the tests of JSON Web Tokens, made once with PyJWT 2.15 and cryptography 50. The private keys
/// are gone. The claims of each token, but for those of the RFC:
///   {"sub": "alice", "iss": "https://issuer.example", "aud": ["mqtt", "web"], "iat": 1700000000, "nbf":
///   1700000000, "exp": 4102444800, "acl": {"pub": ["up/%c/#"], "sub": ["down/%u/+"], "all": ["chat"]}}
namespace sb::auth::vectors {

// RFC 7515 A.1, A.2 and A.3: keys and tokens.
inline constexpr std::string_view kRfcJwks =
    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hc"
    "gUuTwjAzZr1Z9CAow\"},{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx"
    "HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb"
    "_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5"
    "ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e"
    "\":\"AQAB\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEz"
    "Ru9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
inline constexpr std::string_view kRfcA1 =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA"
    "6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
inline constexpr std::string_view kRfcA2 =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9"
    "pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Q"
    "c_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARN"
    "PvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6I"
    "eYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
inline constexpr std::string_view kRfcA3 =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9"
    "pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqP"
    "P3-Kg6NU1Q";
inline constexpr std::string_view kSecret = "a secret that is known to this test only";

// public key of 2048 bits.
inline constexpr std::string_view kRsaPem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuDMEIFrYeNZOiDuZlbqc\n"
    "hpk0KD3UMVhwvzH81bPIysDTYFNvQeA2bdhhFPJP8Mfy8pxTm+Nr5pbay9kxWjXg\n"
    "bTUQb0to67myUt0QeUO2CPpiapQAHLPhbP8jMUm/i5ckXfykbhUjHAqXiSWqoSfc\n"
    "rWcGUo4wLtOMiW9lboYFx7ncOq6gFtRdYliB4ivbTLh/f13BylGSOoahXe/Ps1LB\n"
    "BSwxVgjGqoZkURk3DrWfs7ijL0j0PiXwvPtKXUhtEwUgqNqX9167tSLIUhY24+hT\n"
    "S7y7T1xM6vPH592ldr8+EVN/ecj4FF1+VaZDjVk4nNotBJMC+V+zVrSE6KT8OwBg\n"
    "2wIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

// of 1024 bits.
inline constexpr std::string_view kRsaWeakPem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwQUF5KhcEk+hTfVaCQyHA5q22\n"
    "o6UdFHxlcqXkogZt354DU9Y3+oOQuxETc85qTJFhns8te7Ip8yyBX+Xh+auyYGqg\n"
    "FIQ9uOwYyUmw6fbVOMmVl0BkmO1AwbfkbDaUbs6WNKd6Dx38l7AaM4b/LpG1SzME\n"
    "bOrcJLRYmxrPnoYetwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view kP256Pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExKFou/37dXKpjG5lG8oPajYRao3Y\n"
    "ZnB4ZJiT9ZygTh1VK2wuAyYXBdDI1PoulfS6TgbLPvjOQesL2dFpGLtR6g==\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view kP384Pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEGVeIlR2ueWOc0IzzbbS0Wca5nAng3mS+\n"
    "vQFsTxdVZNXuozs5p6Gi1Tdy+omJjnoFQDzz08RgdVND7vGip5pbobVhssNe/YIP\n"
    "R+kMUAARrDPpzBlnzjJCM2EHYhz+PwIy\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr std::string_view kEd25519Pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAJs1rx4V0eCR+fFWO5OFS4OMFre38ZD7nOD6CCX1ALbc=\n"
    "-----END PUBLIC KEY-----\n";

// The three keys as a JWK Set.
inline constexpr std::string_view kJwks =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"uDMEIFrYeNZOiDuZlbqchpk0KD3UMVhwvzH81bPIysDTYFNvQeA2bdhhFPJP8Mfy8pxTm"
    "-Nr5pbay9kxWjXgbTUQb0to67myUt0QeUO2CPpiapQAHLPhbP8jMUm_i5ckXfykbhUjHAqXiSWqoSfcrWcGUo4wLtOMiW9lb"
    "oYFx7ncOq6gFtRdYliB4ivbTLh_f13BylGSOoahXe_Ps1LBBSwxVgjGqoZkURk3DrWfs7ijL0j0PiXwvPtKXUhtEwUgqNqX9"
    "167tSLIUhY24-hTS7y7T1xM6vPH592ldr8-EVN_ecj4FF1-VaZDjVk4nNotBJMC-V-zVrSE6KT8OwBg2w\",\"e\":\"AQAB\",\"k"
    "id\":\"rsa-1\",\"use\":\"sig\",\"alg\":\"RS256\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"xKFou_"
    "37dXKpjG5lG8oPajYRao"
    "3YZnB4ZJiT9ZygTh0\",\"y\":\"VStsLgMmFwXQyNT6LpX0uk4Gyz74zkHrC9nRaRi7Ueo\",\"kid\":\"ec-1\",\"use\":\"sig\",\"a"
    "lg\":\"ES256\"},{\"kty\":\"oct\",\"k\":\"YSBzZWNyZXQgdGhhdCBpcyBrbm93biB0byB0aGlzIHRlc3Qgb25seQ\",\"kid\":\"oc"
    "t-1\",\"alg\":\"HS256\"}]}";

// Tokens.
inline constexpr std::string_view kHs256 =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.yB-NP4sQXp7"
    "X1A38FLwao0WVz8HZfnTh6h1pPLpkxnI";
inline constexpr std::string_view kRs256 =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.S6JS5qVkRxY"
    "ESUsez_Duiz9tCAmSH4rW4JhEEBEJ79aCNGmQHhSZLyH9Ho_UX3SoJuExC8HkDOLxNLhNU5b9yGk6hMGEEnF1onJMXv54T6t"
    "cGn416GcfjM1YtJRXFU32SRfrUTuLRbjHVYM_ScEPLXaB2104Adcp7W-nQFYwYhL4d4Khmu3ZGqKZ7idOsl3robriazuaAlf"
    "DGWZda8ln-_YH7i6oiryZOk9j3Shi2WxHxBZVBWRu8N4H279lWo8_rqYgBrw_D6eHvHu4lvaONqgGLqX7O5wKKYGcickkMoq"
    "rJ-2s8EZgFN6vUihMKSmfBMBYW4NC38l6ZYoc4-gjeA";
inline constexpr std::string_view kEs256 =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0._Vf-IZbI8lA"
    "DeCl4ZUxkqzXNONiTAEjZp6XBEhv2SsWrfaQBe_P11snmmjg8SV2EVclLg3_j_8KNtSm9paEg4A";

// The same with a kid of kJwks.
inline constexpr std::string_view kHs256Kid =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6Im9jdC0xIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8v"
    "aXNzdWVyLmV4YW1wbGUiLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwi"
    "ZXhwIjo0MTAyNDQ0ODAwLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hh"
    "dCJdfX0.-veUH_m0wAeyxd0zt2pBmCgwV-ia12p4pksW1tFA06Y";
inline constexpr std::string_view kRs256Kid =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8v"
    "aXNzdWVyLmV4YW1wbGUiLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwi"
    "ZXhwIjo0MTAyNDQ0ODAwLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hh"
    "dCJdfX0.qCQ73hTZQp9lIQxMExDM9b7lXQrG7GSCuWHeX_JkNOMBRxqn25J2qTCySkKNfQXE7eW1O-6Q2HsJBIJ5KNrShWqE"
    "hUEzDle7JGpw2V8x5H9RigalRWE1jfT5GPGa8LWRB1mPQQlh484V8jEZJ7FGqg4JP6OaGskIU9G_Ye_aGzYmlNZby25y5Ne0"
    "-bB19ZetLpEzPCcHrtrEZavuKP_IazBcVJneKcksCUXnruzxkTfVHfJv4Z3SgjjUTiKQQxCwgPAkoXB5_2n_1LpQ7AEj4hDH"
    "MhbdY9TkkhKxW2tQWnSmAMeDXMMuYW6u67a5ULIHWZ1nwzh_zGASt-KJTlN7TA";
inline constexpr std::string_view kEs256Kid =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjLTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8va"
    "XNzdWVyLmV4YW1wbGUiLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZ"
    "XhwIjo0MTAyNDQ0ODAwLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhd"
    "CJdfX0.bmeDm-rT8NHzew6VZxu7pl3UAm2IHdXLnbAS_LKZodYX_hAsE08BeEgxVFAn90I-extmtyoHfGmr_RvvjeO-aA";

// Of other keys.
inline constexpr std::string_view kRs256Other =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.URtkBbVvhBI"
    "4JOQwubp2rncjHUjjEFMFCqT1bpOj15ZuVAxtU-22OX_WNfQen9I7EP8UPtoCp8e8DTUWAPeqKAVzEjQGhkJKcV1cdbRTmCy"
    "ONVsCwEasp__ht26uHSuyBbs-B3XgXEORu3s4NBj38r2ribgNJMlGfk_EKrabBhxFZIQo2vA4QszEUW08UEmLn-c7XSD_bT_"
    "BD9QC8TOFhgzjpjHZPhFonkgb-EyPDO4Glsh4_8UG3cpi3xYLagcwmU-VXz7_rOR3zKjWHb4zbXz4FzeiBzhOOFMWZFOxIAN"
    "WK4tcCJx8VzPQ3UPUWKLVFfwHxJqriRNO7otcQqjH3Q";
inline constexpr std::string_view kEs256Other =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.WaLzCWAkeP-"
    "wUhmKkbBsMGFYb7z7XC7RHLcgUPZYUqQLNjTZiGcsuEE5qH0bqfT0znd3edubZOS5f6GmXoyDDw";
inline constexpr std::string_view kRs256UnknownKid =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0yIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8v"
    "aXNzdWVyLmV4YW1wbGUiLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwi"
    "ZXhwIjo0MTAyNDQ0ODAwLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hh"
    "dCJdfX0.lYihIxHDg4YFY-NJLp2QX0yMd_ngntgnrGj0C6DirXHoWfEYghG8BpNfh7qRNz_7eBw_FmVp3RJlbn9qLoPswh3U"
    "9QMi3P16OTAEx8avnoom6gSOp5UrAf5g5s5EEizAuKG7EUz8WINgS4zfFY9B-In41yVQwtQUQL4H0H_dUISldpcHeRK2NiLg"
    "_wl98ZaSOLKr04vcj-qS6CHnzYBl7LpwoWYxzgnEkYFBcnzOZBI26Q26mfzkCK0Lz5-G_fXZ4-LTMOFukl7wc_X61vEUHPvG"
    "4Jj419UqclE_wD9S8UBbb3ZpyNECgXLY64fHQV0jzLcUjWeEkT5BCK1LLT4pgg";

// Signed with the EC key under the kid of the RSA key.
inline constexpr std::string_view kEs256RsaKid =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8v"
    "aXNzdWVyLmV4YW1wbGUiLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwi"
    "ZXhwIjo0MTAyNDQ0ODAwLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hh"
    "dCJdfX0.TMWu7EUZ5HWGTBlY-eoKzPo2XlUOypmgZeOda3M2y5CaiDx5Wp-rhYiBDkVIN_z5JkKNoGoJCURiaKurn0_IFw";

// Algorithms that are not offered.
inline constexpr std::string_view kHs512 =
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.1_LOvyjJvyo"
    "gRKLk9XJlmoHRc8tXDtUMEKZkZUWy8r39kvCrpk9lYLrgWOcLP1dKEL55JnO3944QZ2xu30t84Q";
inline constexpr std::string_view kPs256 =
    "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.kIOSUFXzEKA"
    "r09RItBZX_q7Kdle179PDiVbrHk96_dWZbELWEdEObFPAp_2h9BPWLcd0rzHq0cHzDxAnckNfrMtC3DAQPZyxN9MwPhUx_eO"
    "69WhIZvyb8Dga5P2_Cgmlnxy6vnuzqSqGysJ9aScooyg_zcmCLLj_UNARUZv3om8WE4kH_VZ4v2UBxiNpIQw644rw9ZDjJIO"
    "zCabzo3i5OrBHcHmQF6NrOga-u01tqZOZypL-EIeLqyESAQAMNnvioTVEQwB9LsoIF0LZ0ttNf7lH3Lxjs3jNYpHx1sHWIO6"
    "3VLie9xtrkaHD6oGFEVAJLPI5O0z8Yi_i_cKfU8L-ew";
inline constexpr std::string_view kRs512 =
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.Rap1O1G5DSj"
    "lNQPqu74XHbFjwnSHoIq6HjodvNp-5IyXKlIvuxYAQQehgt_E3qirKf5ETI2I5P1N3LdArSqz5Vj81EqpP78QHiWTrGT2K4z"
    "YCbU9cJXKyBlmFRG26sdmgIpefeN-vvuywf1idvzC9G_CWS8Q66GAhI0h9PisQPoUGOP96RHf7vUoSBizs0m7Vhbl8_G2D2r"
    "T0_FDmtg9Pd9svjACjDZqyLmXIeLdXJbU-Y_C9q96q_uPoW_6FBMWxiFjyPj4vYJ_-Pxuq5ta4qqUw4AXy2XWBjyfcDu0Lku"
    "gjRBA79nWrskTmQTxCkvH1Y98QGuBxoSrh_LYlU-Cvg";
inline constexpr std::string_view kEs384 =
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGU"
    "iLCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODA"
    "wLCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.Tch3yC6XR-j"
    "HfXb7N8WMBj_0I9dLXW2OowdOlsKNJjftw5556w50yRl1YuIz753sg3EStscX6ntnNE4k3JMBahdxnTm3ENsD3iII6UCG-vI"
    "mLETVCqwmi0WLQEsB2yTP";
inline constexpr std::string_view kAlgNone =
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGUi"
    "LCJhdWQiOlsibXF0dCIsIndlYiJdLCJpYXQiOjE3MDAwMDAwMDAsIm5iZiI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAw"
    "LCJhY2wiOnsicHViIjpbInVwLyVjLyMiXSwic3ViIjpbImRvd24vJXUvKyJdLCJhbGwiOlsiY2hhdCJdfX0.";
inline constexpr std::string_view kAlgNoneCase =
    "eyJhbGciOiAiTm9uZSIsICJ0eXAiOiAiSldUIn0.eyJzdWIiOiAiYWxpY2UiLCAiaXNzIjogImh0dHBzOi8vaXNzdWVyLmV4"
    "YW1wbGUiLCAiYXVkIjogWyJtcXR0IiwgIndlYiJdLCAiaWF0IjogMTcwMDAwMDAwMCwgIm5iZiI6IDE3MDAwMDAwMDAsICJl"
    "eHAiOiA0MTAyNDQ0ODAwLCAiYWNsIjogeyJwdWIiOiBbInVwLyVjLyMiXSwgInN1YiI6IFsiZG93bi8ldS8rIl0sICJhbGwi"
    "OiBbImNoYXQiXX19.";

// HS256 with the text of the public key as the secret.
inline constexpr std::string_view kHmacByRsaPem =
    "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJzdWIiOiAiYWxpY2UiLCAiaXNzIjogImh0dHBzOi8vaXNzdWVyLmV"
    "4YW1wbGUiLCAiYXVkIjogWyJtcXR0IiwgIndlYiJdLCAiaWF0IjogMTcwMDAwMDAwMCwgIm5iZiI6IDE3MDAwMDAwMDAsICJ"
    "leHAiOiA0MTAyNDQ0ODAwLCAiYWNsIjogeyJwdWIiOiBbInVwLyVjLyMiXSwgInN1YiI6IFsiZG93bi8ldS8rIl0sICJhbGw"
    "iOiBbImNoYXQiXX19.Afnl77mME5bZMVL2YPxIpyvJSmcy4JUdbRUeYC1bRX4";
inline constexpr std::string_view kHmacByRsaPemKid =
    "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAicnNhLTEifQ.eyJzdWIiOiAiYWxpY2UiLCAiaXNzIjogI"
    "mh0dHBzOi8vaXNzdWVyLmV4YW1wbGUiLCAiYXVkIjogWyJtcXR0IiwgIndlYiJdLCAiaWF0IjogMTcwMDAwMDAwMCwgIm5iZ"
    "iI6IDE3MDAwMDAwMDAsICJleHAiOiA0MTAyNDQ0ODAwLCAiYWNsIjogeyJwdWIiOiBbInVwLyVjLyMiXSwgInN1YiI6IFsiZ"
    "G93bi8ldS8rIl0sICJhbGwiOiBbImNoYXQiXX19.goME-09jv_nIlx4A4tjTD0Ka76gpFuujOCInmxkp0AY";

}  // namespace sb::auth::vectors
