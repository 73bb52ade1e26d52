import java.io.InputStream;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.HttpsURLConnection;

/** Logs in and reads a document; where a new id is given, sends one like it: BASE NAME PASSWORD DOCUMENT [NEW]. */
public class Terminal {
    static String token;

    public static void main(String[] given) throws Exception {
        String base = given[0];
        String query = "username=" + encoded(given[1]) + "&password=" + encoded(given[2]);
        token = field(answer(base + "/session?" + query, null), "Access_token");
        String document = answer(base + "/Docs('" + given[3] + "')", null);
        System.out.println(document);
        if (given.length < 5) return;
        String type = field(document, "documentTypeName");
        String fresh = "{\"id\":\"" + given[4] + "\",\"name\":\"С терминала\",\"documentTypeName\":\"" + type
            + "\",\"currentItems\":[{\"productId\":\"p-1\",\"currentQuantity\":3}]}";
        answer(base + "/Docs", fresh);
        answer(base + "/Docs('" + given[4] + "')/EndUpdate", "");
    }

    static String answer(String target, String sent) throws Exception {
        HttpsURLConnection asked = (HttpsURLConnection) new URL(target).openConnection();
        if (token != null) asked.setRequestProperty("Authorization", "Bearer " + token);
        if (sent != null) {
            asked.setDoOutput(true);
            asked.setRequestProperty("Content-Type", "application/json");
            asked.getOutputStream().write(sent.getBytes(StandardCharsets.UTF_8));
        }
        try (InputStream body = asked.getInputStream()) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]+)\"").matcher(json);
        if (!found.find()) throw new IllegalStateException("no " + name + " in " + json);
        return found.group(1);
    }

    static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
