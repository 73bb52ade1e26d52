import java.io.InputStream;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.HttpsURLConnection;

/** Logs in and reads a document: BASE NAME PASSWORD DOCUMENT. */
public class Terminal {
    public static void main(String[] given) throws Exception {
        String login = given[0] + "/session?username=" + encoded(given[1]) + "&password=" + encoded(given[2]);
        Matcher token = Pattern.compile("\"Access_token\":\"([^\"]+)\"").matcher(answer(login, null));
        if (!token.find()) throw new IllegalStateException("no token");
        System.out.println(answer(given[0] + "/Docs('" + given[3] + "')", token.group(1)));
    }

    static String answer(String target, String token) throws Exception {
        HttpsURLConnection asked = (HttpsURLConnection) new URL(target).openConnection();
        if (token != null) asked.setRequestProperty("Authorization", "Bearer " + token);
        try (InputStream body = asked.getInputStream()) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
